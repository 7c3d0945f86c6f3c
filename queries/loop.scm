;; Loops, by what they iterate over; how often that is, the semantic model says.
;;
;; trigger above iterations-per-loop: \b(?:range|repeat)\s*\(([^)\n]*)

;; for i in range(100_000): …
(for_statement right: (call) @loop)

;; sum(f(i) for i in range(100_000))
(for_in_clause right: (call) @loop)
