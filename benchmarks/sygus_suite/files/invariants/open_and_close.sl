; A saturating depth of brackets, opened or closed at will.
(set-logic LIA)
(define-fun before ((depth Int)) Bool (= depth 0))
(define-fun step ((depth Int) (depth! Int)) Bool (or (and (< depth 3) (= depth! (+ depth 1))) (and (< 0 depth) (= depth! (- depth 1)))))
(define-fun after ((depth Int)) Bool (and (<= 0 depth) (<= depth 3)))
(synth-inv invariant ((depth Int)))
(inv-constraint invariant before step after)
(check-synth)
