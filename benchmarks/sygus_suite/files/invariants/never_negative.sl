; A sum of growing numbers.
(set-logic LIA)
(define-fun before ((sum Int) (i Int)) Bool (and (= sum 0) (= i 1)))
(define-fun step ((sum Int) (i Int) (sum! Int) (i! Int)) Bool (and (= sum! (+ sum i)) (= i! (+ i 1))))
(define-fun after ((sum Int) (i Int)) Bool (<= 0 sum))
(synth-inv invariant ((sum Int) (i Int)))
(inv-constraint invariant before step after)
(check-synth)
