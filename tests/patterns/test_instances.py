"""Patterns of multiple instances (12 to 15, 26, 27, 34 to 36)."""

from tests.patterns.stage import tell

TRIAL = {"case": "c7", "witnesses": ["ann", "bob"]}


def test_12_the_instances_are_started_and_nobody_waits_for_them() -> None:
    tell("12_multiple_instances_without_synchronization", {"camera": "a4", "plates": ["x1", "x2"]},
    """
        start                                         -> reset_camera
        pattern-fine/x1:                              -> write_fine
        pattern-fine/x2:                              -> write_fine
        done reset_camera                             -> fulfilled
        pattern-fine/x2: done write_fine              -> fulfilled = "fine for x2"
        pattern-fine/x1:                              -> write_fine
        pattern-fine/x1: after 3d                     -> write_fine
        pattern-fine/x1: done write_fine              -> fulfilled = "fine for x1"
    """)  # fmt: skip


def test_12_a_cancel_of_the_case_leaves_them_alone() -> None:
    tell("12_multiple_instances_without_synchronization", {"camera": "a4", "plates": ["x1"]}, """
        start
        cancel           -> cancelled cancelled:cancelled
        pattern-fine/x1: -> write_fine
    """)  # fmt: skip


def test_13_there_are_as_many_instances_as_the_model_says() -> None:
    tell("13_multiple_instances_known_at_design_time", {"report": "2026"}, """
        start -> signatures[chair]/sign_report, signatures[treasurer]/sign_report, \
signatures[secretary]/sign_report
        done signatures[secretary]/sign_report
        done signatures[chair]/sign_report     -> signatures[treasurer]/sign_report
        done signatures[treasurer]/sign_report -> publish_report
        done publish_report                    -> fulfilled = "2026, signed by 3"
    """)  # fmt: skip


def test_14_there_are_as_many_instances_as_the_data_says_when_they_begin() -> None:
    lines = [{"article": "milk", "pieces": 2}, {"article": "rice", "pieces": 1}]
    story = """
        start                      -> lines[milk]/pick_line, lines[rice]/pick_line
        done lines[rice]/pick_line -> lines[milk]/pick_line
        done lines[milk]/pick_line -> load_van
        done load_van              -> fulfilled = "o1: milk, rice"
    """
    tell("14_multiple_instances_known_at_run_time", {"order": "o1", "lines": lines}, story)
    tell("14_multiple_instances_known_at_run_time", {"order": "o2", "lines": lines[:1]}, """
        start                      -> lines[milk]/pick_line
        done lines[milk]/pick_line -> load_van
    """)  # fmt: skip
    tell("14_multiple_instances_known_at_run_time", {"order": "o3", "lines": []}, """
        start -> load_van
    """)  # fmt: skip


def test_15_further_instances_are_added_while_others_run_or_after_all_are_done() -> None:
    tell("15_multiple_instances_added_while_running", TRIAL, """
        start                                   -> witnesses[ann]/hear_witness, \
witnesses[bob]/hear_witness
        done witnesses[ann]/hear_witness        -> witnesses[bob]/hear_witness
        event witness.named {"witness": "cleo"} -> witnesses[bob]/hear_witness, \
witnesses[cleo]/hear_witness
        done witnesses[bob]/hear_witness
        done witnesses[cleo]/hear_witness       -> witnesses
        event witness.named {"witness": "dan"}  -> witnesses[dan]/hear_witness
        event witness.list-closed               -> witnesses[dan]/hear_witness
        event witness.named {"witness": "eve"}  -> witnesses[dan]/hear_witness
        done witnesses[dan]/hear_witness        -> give_judgment
        done give_judgment                      -> fulfilled = "c7 after 4 witnesses"
    """)  # fmt: skip


def test_15_it_is_joined_at_once_when_all_are_done_and_it_is_closed() -> None:
    tell("15_multiple_instances_added_while_running", TRIAL, """
        start
        done witnesses[ann]/hear_witness
        done witnesses[bob]/hear_witness -> witnesses
        event witness.list-closed        -> give_judgment
    """)  # fmt: skip


def test_26_the_open_instances_are_withdrawn_and_those_done_stay() -> None:
    stage = tell("26_cancel_multiple_instances", {"audit": "a1", "shops": ["s1", "s2", "s3"]}, """
        start                       -> visits[s1]/visit_shop, visits[s2]/visit_shop, \
visits[s3]/visit_shop
        done visits[s2]/visit_shop  -> visits[s1]/visit_shop, visits[s3]/visit_shop
        event audit.called-off      -> close_file
        done close_file             -> fulfilled
    """)  # fmt: skip
    assert stage.did == ["visits[s2]/visit_shop", "close_file"]


def test_26_when_all_are_done_nothing_is_left_to_cancel() -> None:
    tell("26_cancel_multiple_instances", {"audit": "a1", "shops": ["s1"]}, """
        start
        done visits[s1]/visit_shop -> write_verdict
        event audit.called-off     -> write_verdict
    """)  # fmt: skip


def test_27_the_open_instances_are_withdrawn_and_what_comes_next_begins() -> None:
    stage = tell("27_complete_multiple_instances", {"poll": "p1", "people": ["a", "b", "c"]}, """
        start                                        -> interviews[a]/interview, \
interviews[b]/interview, interviews[c]/interview
        done interviews[a]/interview
        event poll.closed-early {"reason": "enough"} -> publish_poll
        done publish_poll                            -> fulfilled
    """)  # fmt: skip
    assert len(stage.did) == 2


def test_35_two_of_the_list_are_enough_and_the_others_are_sent_home() -> None:
    donors = {"patient": "pia", "donors": ["ann", "bob", "cleo"]}
    stage = tell("35_cancelling_partial_join_of_instances", donors, """
        start                          -> donors[ann]/call_in, donors[bob]/call_in, \
donors[cleo]/call_in
        done donors[ann]/call_in
        done donors[bob]/call_in
        done donors[bob]/take_blood    -> donors[cleo]/call_in, donors[ann]/take_blood
        done donors[cleo]/call_in
        done donors[cleo]/take_blood   -> undo donors[ann]/call_in
        undone donors[ann]/call_in     -> treat_patient
        done treat_patient             -> fulfilled = "pia has blood of bob and cleo"
    """)  # fmt: skip
    assert "donors[ann]/take_blood" not in stage.did


def test_34_two_of_the_list_let_the_case_go_on_and_the_others_finish() -> None:
    tell("34_static_partial_join_of_instances", {"product": "p1", "labs": ["a", "b", "c", "d"]}, """
        start -> labs[a]/test_in_lab, labs[b]/test_in_lab, labs[c]/test_in_lab, \
labs[d]/test_in_lab
        done labs[c]/test_in_lab
        done labs[a]/test_in_lab -> labs[b]/test_in_lab, labs[d]/test_in_lab, warn_public
        done labs[d]/test_in_lab -> labs[b]/test_in_lab, warn_public
        done warn_public         -> labs[b]/test_in_lab
        done labs[b]/test_in_lab -> fulfilled
    """)  # fmt: skip


SAMPLES = {"species": "yew", "sites": ["a", "b"], "enough": 3}


def test_36_instances_are_added_until_there_are_enough_and_the_open_ones_finish() -> None:
    tell("36_dynamic_partial_join_of_instances", SAMPLES, """
        start                                  -> sites[a]/take_sample, sites[b]/take_sample
        done sites[a]/take_sample              -> sites[b]/take_sample
        done sites[b]/take_sample              -> sites
        event sample.site-found {"site": "c"}  -> sites[c]/take_sample
        event sample.site-found {"site": "d"}  -> sites[c]/take_sample, sites[d]/take_sample
        done sites[d]/take_sample              -> sites[c]/take_sample, sequence_genome
        done sequence_genome                   -> sites[c]/take_sample
        done sites[c]/take_sample              -> fulfilled
    """)  # fmt: skip


def test_36_what_is_enough_may_change_while_it_runs() -> None:
    tell("36_dynamic_partial_join_of_instances", SAMPLES, """
        start
        done sites[a]/take_sample
        event sample.enough-said {"enough": 1} -> sites[b]/take_sample, sequence_genome
        event sample.site-found {"site": "c"}  -> sites[b]/take_sample, sequence_genome
        done sites[b]/take_sample              -> sequence_genome
        done sequence_genome                   -> fulfilled
    """)  # fmt: skip
