; Two counters that move together.
(set-logic LIA)
(define-fun before ((x Int) (y Int)) Bool (and (= x 0) (= y 0)))
(define-fun step ((x Int) (y Int) (x! Int) (y! Int)) Bool (and (= x! (+ x 2)) (= y! (+ y 2))))
(define-fun after ((x Int) (y Int)) Bool (=> (<= 100 x) (<= 100 y)))
(synth-inv invariant ((x Int) (y Int)))
(inv-constraint invariant before step after)
(check-synth)
