;; Loops, by what they iterate over; how often that is, the semantic model says.
;;
;; trigger: \bfor\b && range|repeat && \d{4}|\d_\d{3}|\*\*|<<|\d\s*\*\s*\d|\d[eE]\d

;; for i in range(100_000): …
(for_statement right: (call) @loop)

;; sum(f(i) for i in range(100_000))
(for_in_clause right: (call) @loop)
