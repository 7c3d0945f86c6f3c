;; Allocates an amount of bytes or elements at once.
;;
;; Large collections are charged eight bytes an element: a pointer, whatever it points to.
;;
;; trigger above allocation: (?<repeated>["')\]])\s*\*\s*([\w(][\w. \t*()<+-]*)
;; trigger above allocation / 2: [A-Za-z_]\w*\s*\*\s*([\d(][\w. \t*()<+-]*)
;; trigger above allocation / 2: [A-Za-z_]\w*\s*\*\s*([A-Z_]{2}[\w. \t*()<+-]*)
;; trigger above allocation / 8: ([\w(][\w. \t*()<+-]*)\*\s*(?:[bBrRuU]{0,2}["']|\[)
;; trigger above allocation / 8: \b(?:zeros|ones|empty|full|arange)\s*\(([^,\n]*)
;; trigger above allocation / 2: \b(?:bytearray|bytes|urandom|token_bytes|token_hex|randbytes)\s*\(([^,\n]*)
;; trigger above allocation / 8: \b(?:list|tuple|set)\s*\(\s*range\s*\(([^)\n]*)
;; trigger above allocation / 8: \bfor\b[^\n]*\brange\s*\(([^)\n]*)

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
