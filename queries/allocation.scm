;; Allocates an amount of bytes or elements at once.
;;
;; A number that is large enough has at least four digits, or is a power, a shift, a product or an exponent.
;; Large collections are charged eight bytes an element: a pointer, whatever it points to.
;;
;; trigger: \d{5}|\d_\d{3}|\*\*|<<|\d\s*\*\s*\d|\d[eE]\d|[A-Z]{2}\s*\*|\*\s*[A-Z]{2} && ["'\])A-Za-z_]\s*\*\s*[\w(]|[\w)]\s*\*\s*[bBrRuU]?["'(\[]
;; trigger: \d{5}|\d_\d{3}|\*\*|<<|\d\s*\*\s*\d|\d[eE]\d && \b(bytearray|bytes|urandom|token_bytes|randbytes|zeros|ones|empty|full|arange)\s*\(
;; trigger: \d{4}|\d_\d{3}|\*\*|<<|\d\s*\*\s*\d|\d[eE]\d && \b(list|tuple|set)\s*\(\s*range\s*\(
;; trigger: \d{4}|\d_\d{3}|\*\*|<<|\d\s*\*\s*\d|\d[eE]\d && [\[{(][^\[\]{}()\n]*\bfor\b[^\[\]{}\n]*\brange\s*\(

;; "x" * 100_000, b"\0" * SIZE, line * 1000: the unit's own length counts.
((binary_operator left: (_) @unit operator: "*" right: (_) @amount) @allocation
  (#instance-of? @unit "builtins.str" "builtins.bytes" "builtins.bytearray"))

;; 100_000 * "x"
((binary_operator left: (_) @amount operator: "*" right: (_) @unit) @allocation
  (#instance-of? @unit "builtins.str" "builtins.bytes" "builtins.bytearray"))

;; [0] * 100_000
((binary_operator left: (_) @unit operator: "*" right: (_) @amount) @allocation
  (#instance-of? @unit "builtins.list" "builtins.tuple")
  (#set! scale "8"))

;; 100_000 * [0]
((binary_operator left: (_) @amount operator: "*" right: (_) @unit) @allocation
  (#instance-of? @unit "builtins.list" "builtins.tuple")
  (#set! scale "8"))

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
