; Two runners that take turns: one is ahead by at most one.
(set-logic LIA)
(define-fun before ((x Int) (y Int)) Bool (and (= x 0) (= y 0)))
(define-fun step ((x Int) (y Int) (x! Int) (y! Int)) Bool (ite (= x y) (and (= x! (+ x 1)) (= y! y)) (and (= x! x) (= y! (+ y 1)))))
(define-fun after ((x Int) (y Int)) Bool (and (<= y x) (<= x (+ y 1))))
(synth-inv invariant ((x Int) (y Int)))
(inv-constraint invariant before step after)
(check-synth)
