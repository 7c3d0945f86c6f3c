;; Loops, by what they iterate over; how often that is, the semantic model says.
;;
;; trigger: \b(?:range|repeat)\s*\([^)\n]*(?:\d{5}|[2-9]\d{3}|1[1-9]\d\d|10[1-9]\d|[2-9]_\d{3}|\d\d_\d{3}|\d\d\s*\*\s*\d\d|\*\*|<<|\d[eE]\d)
;; trigger: \bin\s+range\s*\([^)\n]*[A-Za-z_]\w*\s*\) && (?m)^[ \t]*(?:self\.|cls\.)?[A-Za-z_]\w*[ \t]*(?::[^=\n]*)?=[ \t]*\(*(?:\d{5}|[2-9]\d{3}|1[1-9]\d\d|\d+_\d{3}|\d+[eE]\d|\d+[ \t]*(?:\*|<<))
;;

;; for i in range(100_000): …
(for_statement right: (call) @loop)

;; sum(f(i) for i in range(100_000))
(for_in_clause right: (call) @loop)
