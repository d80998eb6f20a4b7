; A counter that stops at ten.
(set-logic LIA)
(define-fun before ((i Int)) Bool (= i 0))
(define-fun step ((i Int) (i! Int)) Bool (and (< i 10) (= i! (+ i 1))))
(define-fun after ((i Int)) Bool (=> (not (< i 10)) (= i 10)))
(synth-inv invariant ((i Int)))
(inv-constraint invariant before step after)
(check-synth)
