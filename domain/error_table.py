"""The table of codes as text: number, alias, status and title; below each what to do instead."""

__all__ = ["TABLE"]

# 1xx writing a saga · 2xx registration · 3xx events at the border · 4xx requests and their state
# 5xx bounds and faults of a commitment · 6xx participants · 7xx store, settings and processes
TABLE = """
TR110 event.no_key 422  The key names no field of the event
  name a field of the model in key=
TR111 flow.handler 422  A handler does not fit its declaration
  type every parameter and the result; an effect takes fx: Effect first
TR120 flow.syntax 422  The flow holds Python that cannot be data
  use assignment, call, with, for over each(), return
TR121 flow.symbol 422  A value of the flow was used as if it were known
  use when(), &, or, not_() or cel()
TR122 flow.name 422  A name does not fit
  use lower case letters, digits and _ (stored names also - and .), 64 at most
TR123 flow.place 422  A form of the flow stands where it cannot
  move it to the flow or block it belongs to
TR124 flow.value 422  A value cannot be data of a saga
  give a value that is JSON, a duration such as 1h30m, or the value of a node
TR125 app.not_found 422  The application cannot be found
  name it as module:attribute, or as app in [tool.troth] of pyproject.toml
TR130 def.changed 409  The definition changed under the same version
  raise version=, or restore the frozen file
TR131 app.unserved 409  A version that still runs has a step that nothing here serves
  keep its function until no commitment of that version is left
TR132 explore.broken 422  A run of the saga breaks a promise of the engine
  the run is told below: do not run this version, and send the run with the definition
TR201 def.no_approval 422  A gated step is reached without a decision
  put the step inside: with approve("NAME", level=A2, ...):
TR202 def.no_undo 422  An external step has neither undo nor irreversible
  declare @step.undo, or irreversible="why"
TR203 def.class 422  An external step lacks a class
  give approval, reversibility and sensitivity: A0 R1 S2
TR204 def.name_taken 422  A name is used twice
  rename one: .named("other"), or name=
TR205 def.unbound 422  An argument is bound to nothing
  pass a value that is known before this node
TR206 def.not_visible 422  A value is not visible here
  use it in its own branch, or yield it by out
TR207 def.maybe_unset 422  A value is set only on some paths
  guard it with has(), or yield it by out
TR208 def.expr 422  An expression does not compile
  correct the expression
TR209 def.type 422  An expression has another type than is needed
  make it the needed type
TR210 def.schema 422  A value does not fit the schema it goes to
  map the value, or change the schema
TR211 def.no_else 422  A choose has no else
  add an else branch; it may be empty
TR212 def.bound 422  A bound is missing or over its limit
  give a bound within the limit
TR213 def.endless 422  A wait may last for ever
  give within=, or put it in a scope with a deadline
TR214 def.contract 422  A contract is not in the document
  add the contract, or correct its name
TR215 def.event 422  An event type is not in the document
  add the event, or correct its name
TR216 def.undo_shape 422  The undo wants something the step may lack
  make it optional, or use when: completed
TR217 def.undo_r3 422  An undo cannot be R3
  undo by something that can itself be undone
TR218 def.unknown_policy 422  This policy for an unknown outcome is not allowed
  use probe or ask
TR219 def.approval_late 422  An approval covers a step whose arguments are known only later
  move the approve behind them
TR220 def.stranded 422  A failure behind a pivot goes nowhere
  add retry with within, or an on_failure with a flow
TR221 def.pivot_beside 422  A branch may fail beside a pivot
  catch the failure in its branch
TR222 def.data_flow 422  Confidential data goes to a participant without a policy review
  name the review in the contract
TR223 def.race_effect 422  The trigger of a race is an effect
  use parallel with join any
TR224 def.target 422  The target is not open here
  name a block that encloses the node or lies beside it
TR225 def.cycle 422  Branches wait for each other
  remove one after
TR226 def.dead 422  Nothing runs after this node
  remove what follows
TR227 def.shadowed 422  A clause is never reached
  put the narrower clause first
TR228 def.not_yet 422  This part of the language is not built yet
  write it with the kinds that are there
TR229 def.shape 422  The document has not the form of a definition
  compare with schemas/definition.v1.json
TR230 def.no_wait 422  A loop turns without waiting or a bound
  give max
TR231 def.version 422  The document's form is another version
  use troth: 1
TR232 def.recursion 422  A saga starts itself without end
  give the child a when, or put it into a branch
TR233 def.child 422  A child's saga is not registered
  register it first, or correct its name
TR234 def.open_list 422  A list and what adds to it do not fit
  write open: true, and close it by add, an update or close_when
TR236 def.own_flow 422  A scope cannot be cancelled by what runs because it stopped
  use fail, or name a block inside
TR239 def.revoke 422  A child cannot undo itself once a pivot of it is done
  write on_undo none, or a step that takes its result
TR240 def.undo_flow 422  This cannot stand in a flow that undoes
  undo by steps that need nobody and no undo of their own
TR235 def.locks 422  Locks are taken in two orders
  take them in the same order everywhere
TR237 def.escalate 422  An escalation calls too late, or a seat that may not decide
  call a seat of the level or above it, before within is over
TR238 def.calendar 422  A calendar means nothing, or is not there
  give it a zone, hours and holidays that exist, or correct its name
TR301 event.json 400  The body is not JSON
  send valid UTF-8 JSON
TR302 event.envelope 422  A CloudEvents attribute is missing or wrong
  send specversion 1.0, id, source and type
TR303 event.attribute 422  An unknown attribute
  use the attributes of docs/format.md section 6
TR304 event.tenant 422  No tenant
  send tenantid, or use a key that has a tenant
TR305 event.foreign_tenant 403  The event names another tenant than the key
  use a key of that tenant
TR306 event.too_large 413  The event is too large
  send at most 1 MiB; pass larger things by reference
TR307 event.unknown_type 422  No registered definition knows this event type
  register the definition, or correct the type
TR308 event.schema_version 422  The event has another schema version than is registered
  send the registered version
TR309 event.key 422  The event has no usable key
  give the key field a text of 1 to 256 characters
TR310 event.content_type 415  The content type is not supported
  send application/json or application/cloudevents+json
TR311 event.batch 413  The batch is too large
  send at most 1,000 events and 8 MiB
TR312 event.schema 422  The event does not fit its schema
  correct the data
TR313 event.id_reused 409  The same event id came with another content
  give each event its own id
TR314 event.out_of_order 409  The event's time is before events already accepted
  send events in order, or without --clock events
TR400 http.body 422  The body does not have the form of this request
  compare with /docs
TR401 http.key_missing 401  No API key
  send Authorization: Bearer KEY
TR402 http.key_unknown 401  The API key is not known
  make one: troth-engine keys add
TR403 http.role 403  The key's role does not allow this
  use a key with the role that is named
TR404 http.not_found 404  There is no such thing
  look with troth list
TR405 http.tenant_missing 422  The request names no tenant
  use a key that has a tenant
TR406 http.too_large 413  The body is too large
  send less
TR407 http.method 405  This address does not take this method
  see the header Allow and /docs
TR408 http.headers 431  The address and headers are too large
  send at most 64 KiB of them
TR409 http.request 400  This is not an HTTP request
  send HTTP/1.1, see /docs
TR410 def.version_taken 409  This version exists with another content
  raise the version
TR411 start.unknown_saga 404  No such saga is registered
  register it: troth register
TR412 start.input 422  The input does not fit the saga's schema
  correct the input
TR413 start.key 422  The key expression gave no usable key
  give a text of 1 to 256 characters
TR421 start.conflict 409  A commitment with this key is there already
  use the running one, or another key
TR422 state.says_no 409  The state does not allow this
  look with troth show
TR423 start.replaced 202  The running commitment is cancelled before the new one starts
  wait
TR424 key_reused 409  The idempotency key was used with another content
  use a new key
TR425 cancel.past_pivot 409  A step that cannot be undone is done
  only forward from here
TR426 cancel.compensating 409  It is already compensating
  wait, or settle its debts
TR427 cancel.in_debt 409  It waits for a person to settle a debt
  settle the debt first
TR428 start.queue_full 429  Too many starts wait for this key
  try later
TR431 read.not_yet 503  Not there yet
  ask again after Retry-After
TR432 decision.closed 409  This approval is decided or closed already
  read the approval again
TR433 decision.changed 412  The action changed after you saw it
  read the approval again
TR434 decision.no_digest 428  No digest of what you saw
  send If-Match with the digest of the approval
TR435 decision.reason 422  A reject needs a reason
  say why
TR436 decision.payload 422  The edited payload does not fit
  correct the payload
TR437 decision.not_editable 422  This approval cannot be edited
  approve or reject
TR440 decision.seat 403  This key has no seat that is still wanted
  use a key with one of the seats named
TR441 decision.actor 403  Only a person may decide
  use the key of a human
TR442 decision.twice 409  One person, one seat
  another person must take the other seat
TR443 decision.not_by 403  Who decided there may not decide here
  another person must decide
TR444 task.closed 409  This task is done or withdrawn already
  look with troth tasks
TR445 task.claimed 409  Somebody else has claimed this task
  take another one, or wait until its lease ends
TR446 task.not_yours 409  You have not claimed this task, or your lease ended
  claim it first
TR447 task.role 403  This key has none of the seats that may do this task
  use a key with one of the seats named
TR448 task.actor 403  Only a person may do a task
  use the key of a human
TR449 task.payload 422  The payload does not fit the form of the task
  correct the payload
TR450 control.unknown 422  No such control
  use cancel, pause, resume, retry, settle, finish or move
TR451 control.reason 422  A reason is required
  say why
TR452 control.target 409  There is nothing to retry or settle there
  look with troth show and troth debts
TR453 control.evidence 422  Settling needs evidence and an outcome
  say done or not_done and give evidence
TR456 start.queued 202  The start waits for the runs before it
  wait
TR455 start.delivered 200  The event goes to the running commitment
  nothing to do
TR454 control.time 422  A move needs the new time
  give it as to, such as 2026-11-30T09:00:00Z
TR429 http.too_many 429  Too many requests wait for this tenant
  slow down
TR460 update.closed 422  This update is not open
  look with troth show
TR461 update.args 422  The arguments do not fit the update
  correct the arguments
TR462 update.refused 422  A rule of the saga refuses the update
  see errors, and change the arguments
TR463 update.ambiguous 422  Several parts offer this update now
  name its path, such as parties[k17]/extend
TR464 update.stopped 409  What the update began was stopped before its end
  look with troth history what stopped it
TR501 bound.payload 422  A value is over its bound
  pass large things by reference
TR502 bound.state 409  The commitment is over its bound
  cancel it, or close parts of it
TR503 internal.expression 500  An expression failed at run time
  correct the definition and migrate
TR504 internal.runaway 500  More than 10,000 moves for one message
  correct the definition and migrate
TR505 bound.mailbox 429  Too many events wait for one key
  let something take them
TR506 internal.fault 500  The stream is parked: deciding raised an error
  report it, then release the stream
TR507 bound.number 422  An integer is beyond 2^53
  send it as text
TR508 bound.text 422  A text holds the character U+0000
  leave it out
TR509 bound.depth 422  JSON is nested too deeply
  nest at most 64 levels
TR510 bound.children 422  Too many children, or too deep
  start fewer at once, 1,000 at most, 16 deep
TR511 child.conflict 409  Another run has the child's key
  catch business:child.conflict, or give the child another key
TR512 bound.lock 429  Too many wait for one lock
  hold it for a shorter time
TR513 bound.throttle 429  Too many wait in one throttle
  raise its max, or start fewer at once
TR601 claim.shape 422  The claim does not fit
  compare with docs/format.md section 7
TR602 reply.schema 422  The result does not fit the contract
  return what the contract says
TR603 reply.outcome 422  The outcome is unknown or lacks its members
  compare with docs/format.md section 7
TR604 command.unreadable 422  A pushed command cannot be read
  compare with docs/format.md, Commands over Kafka; the effect is offered again over HTTP
TR610 start.refused 409  The start is refused
  drop this claim
TR611 start.expired 409  The decision behind this effect is no longer valid
  drop this claim
TR612 start.cancelled 409  The effect was cancelled
  drop this claim
TR620 reply.late 409  The lease was lost: the reply is recorded and moves nothing
  claim again
TR621 reply.fenced 409  A token of another lease
  use the token of your claim
TR622 reply.contradicted 409  The result differs from the one recorded
  look with troth show
TR701 store.locked 503  Another process holds this store
  stop it, or use another store_url
TR702 store.corrupt 500  The database file is damaged
  restore a backup, see docs/runbooks
TR703 store.full 503  The disk is full
  free space; nothing acknowledged is lost
TR704 store.format 500  The store has another format
  run troth-engine migrate with the right version
TR705 store.lanes 500  The number of lanes is fixed when a store is created
  keep the number, or stop the engines and run troth-engine copy --to URL --lanes N
TR706 store.lane_lost 503  The lane has another owner
  nothing to do: it claims again
TR707 store.failed 503  The database refused the write
  look at the log of the engine
TR708 store.conflict 503  Other processes write the same at the same time
  try again
TR709 lane.silent 503  The process that owns the lane did not answer in time
  ask again; nothing that was acknowledged is lost
TR710 port.in_use 500  The port is in use
  choose another with --listen
TR711 settings.unknown 500  An unknown setting
  see troth-engine serve --print-settings
TR712 keys.none 500  There are no API keys
  make one: troth-engine keys add
TR713 dev.loopback 500  dev listens on loopback only
  use serve with keys
TR714 settings.value 500  A setting has a value that cannot be used
  correct it; see troth-engine serve --print-settings
TR715 store.gone 503  The database cannot be reached
  check that it runs, and store_url
TR716 store.not_empty 409  The target of the copy is not empty
  name a database or a file that holds nothing yet; nothing is ever overwritten
TR717 store.unapplied 409  Requests wait for the owners of lanes that the copy would not have
  start the engine on this store until it has applied them, stop it, and copy again
TR718 store.newer 503  A later release wrote what is asked for
  ask again: it goes on with the first process of that release
TR720 engine.draining 503  The engine is stopping
  try again
TR730 verify.broken 500  The chain does not verify
  keep the store as it is and see docs/runbooks
TR731 xes.broken 422  The log file cannot be read
  give an XES file, plain or gzip
TR740 client.no_engine 503  No engine answers
  start one: troth dev, or name its address with --url or TROTH_URL
TR741 client.ambiguous 409  The name fits several commitments
  give more of the id, or saga/key
TR742 client.engine_missing 503  troth-engine cannot be found
  install it in an environment of its own, or set TROTH_ENGINE to its path
TR750 bus.topic_missing 500  A topic of Kafka is missing
  run troth-engine migrate
TR751 bus.partitions 500  A topic of Kafka has a number of partitions that does not fit the lanes
  make it anew with the number that is named: see docs/kafka.md
TR752 bus.topic_setting 500  A topic of Kafka has a setting that would lose or misread records
  change it to what is named with kafka-configs
TR753 bus.down 503  Kafka cannot be reached
  nothing to do: it tries again; look at its log if it lasts
TR754 bus.input_lost 503  Records of Kafka were deleted before they were read
  see docs/kafka.md, Input lost
TR755 bus.refused 500  Kafka refused to make a topic
  make it by hand as docs/kafka.md shows, or let this account do it
TR743 client.extra_missing 500  A part of the SDK is not installed
  install it: troth[kafka] or troth[postgres]
TR999 bug 500  A fault of our own
  report it with the output of --debug
"""
