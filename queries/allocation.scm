;; Allocates an amount of bytes or elements at once.
;;
;; A number that is large enough has five digits (four beside a list or a longer string), or is a power, a shift, a product or
;; an exponent; it stands at the allocation itself, or is assigned to a name. Large collections are charged eight bytes an element: a pointer, whatever it points to.
;;
;; trigger: ["')]\s*\*\s*\(*(?:\d{5}|\d\d+_\d{3}|\d_\d{3}_|\d+\s*(?:\*|<<)|\d+[eE]\d)|\]\s*\*\s*\(*(?:\d{4}|\d+_\d{3}|\d+\s*(?:\*|<<)|\d+[eE]\d)|["'][^"'\n]{5,}["']\s*\*\s*\(*(?:\d{4}|\d_\d{3})
;; trigger: (?:\d{5}|\d\d_\d{3}|\d\d\s*\*\s*\d+|(?:\*\*|<<)\s*\d+|\d[eE]\d+)\)*\s*\*\s*(?:[bBrRuU]?["']|\[)
;; trigger: ["'\]]\s*\*\s*\(*[A-Za-z_]|[A-Za-z_]\w*\)*\s*\*\s*[bBrRuU]?["'\[] && (?m)^[ \t]*(?:self\.|cls\.)?[A-Za-z_]\w*[ \t]*(?::[^=\n]*)?=[ \t]*\(*(?:\d{5}|\d\d+_\d{3}|\d_\d{3}_|\d+[eE]\d|\d+[ \t]*(?:\*|<<))
;; trigger: ["\']\s*\*\s*[A-Z]{2}
;; trigger: \b[A-Za-z_]\w*\s*\*\s*\(*(?:\d{5}|\d\d+_\d{3}|\d_\d{3}_|\d+\s*(?:\*|<<)|\d+[eE]\d)
;; trigger: \b(?:bytearray|bytes|urandom|token_bytes|token_hex|randbytes|zeros|ones|empty|full|arange)\s*\(\s*[^)\n]*(?:\d{5}|\d\d_\d{3}|\d\d\s*\*\s*\d\d|\*\*|<<|\d[eE]\d)
;; trigger: \b(?:bytearray|urandom|token_bytes|token_hex|randbytes|zeros|ones|empty|full|arange)\s*\(\s*[A-Za-z_] && (?m)^[ \t]*(?:self\.|cls\.)?[A-Za-z_]\w*[ \t]*(?::[^=\n]*)?=[ \t]*\(*(?:\d{5}|\d\d+_\d{3}|\d_\d{3}_|\d+[eE]\d|\d+[ \t]*(?:\*|<<))
;; trigger: \b(?:list|tuple|set)\s*\(\s*range\s*\([^)\n]*(?:\d{5}|[2-9]\d{3}|1[1-9]\d\d|10[1-9]\d|[2-9]_\d{3}|\d\d_\d{3}|\d\d\s*\*\s*\d\d|\*\*|<<|\d[eE]\d)
;; trigger: \[[^\[\]\n]*\bfor\b[^\[\]\n]*\brange\s*\([^)\n]*(?:\d{5}|[2-9]\d{3}|1[1-9]\d\d|10[1-9]\d|[2-9]_\d{3}|\d\d_\d{3}|\d\d\s*\*\s*\d\d|\*\*|<<|\d[eE]\d)
;; trigger: \b(?:list|tuple|set)\s*\(\s*range\s*\(\s*\(*[A-Za-z_]|\[[^\[\]\n]*\bin\s+range\s*\(\s*\(*[A-Za-z_] && (?m)^[ \t]*(?:self\.|cls\.)?[A-Za-z_]\w*[ \t]*(?::[^=\n]*)?=[ \t]*\(*(?:\d{5}|[2-9]\d{3}|1[1-9]\d\d|\d+_\d{3}|\d+[eE]\d|\d+[ \t]*(?:\*|<<))
;;

;; "x" * 100_000, b"\0" * SIZE, line * 1000, [0] * 100_000: the unit's own length counts.
((binary_operator left: (_) @unit operator: "*" right: (_) @amount) @allocation
  (#instance-of? @unit "builtins.str" "builtins.bytes" "builtins.bytearray" "builtins.list" "builtins.tuple"))

;; 100_000 * "x", 100_000 * [0]
((binary_operator left: (_) @amount operator: "*" right: (_) @unit) @allocation
  (#instance-of? @unit "builtins.str" "builtins.bytes" "builtins.bytearray" "builtins.list" "builtins.tuple"))

;; bytearray(1 << 20), os.urandom(SIZE)
((call function: [(identifier) (attribute)] @callee) @allocation
  (#resolves-to? @callee
    "builtins.bytearray" "builtins.bytes" "os.urandom" "secrets.token_bytes" "secrets.token_hex" "random.randbytes")
  (#set! amount "0 size n nbytes"))

;; numpy.zeros(10**6): eight bytes an element, the default type's size.
((call function: [(identifier) (attribute)] @callee) @allocation
  (#resolves-to? @callee "numpy.zeros" "numpy.ones" "numpy.empty" "numpy.full" "numpy.arange")
  (#set! amount "0 shape stop")
  (#set! scale "8"))

;; list(range(100_000))
((call function: (identifier) @callee arguments: (argument_list . (call) @amount .)) @allocation
  (#resolves-to? @callee "builtins.list" "builtins.tuple" "builtins.set")
  (#set! scale "8"))

;; [make(i) for i in range(100_000)]; a generator expression holds one element at a time and does not count.
((list_comprehension (for_in_clause right: (call) @amount)) @allocation
  (#set! scale "8"))
