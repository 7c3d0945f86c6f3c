;; Our own way to wait: `poll_until(seconds)` keeps the queue turning for that long.
;;
;; trigger: poll_until

((call function: [(identifier) (attribute)] @callee) @sleep
  (#resolves-to? @callee "helpers.poll_until" "tests.helpers.poll_until")
  (#set! amount "0 seconds"))
