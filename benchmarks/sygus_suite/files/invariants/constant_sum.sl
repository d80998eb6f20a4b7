; What one variable loses the other gains.
(set-logic LIA)
(define-fun before ((x Int) (y Int)) Bool (and (= x 50) (= y 0)))
(define-fun step ((x Int) (y Int) (x! Int) (y! Int)) Bool (and (< 0 x) (and (= x! (- x 1)) (= y! (+ y 1)))))
(define-fun after ((x Int) (y Int)) Bool (=> (not (< 0 x)) (= y 50)))
(synth-inv invariant ((x Int) (y Int)))
(inv-constraint invariant before step after)
(check-synth)
