;; The mark `slow`, wherever it is named: on a test or class, in `pytestmark`, in `pytest.param(…, marks=…)`.
;;
;; only for: unregistered-marker
;;
;; trigger: \.\s*slow\b

((attribute attribute: (identifier) @_name) @callee @mark
  (#eq? @_name "slow")
  (#resolves-to? @callee "pytest.mark.slow"))
