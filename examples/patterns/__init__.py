"""The workflow patterns of docs/workflow_patterns.md, one small saga each; `all` has them all."""
