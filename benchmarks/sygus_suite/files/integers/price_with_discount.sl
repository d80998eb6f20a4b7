; A price in two linear pieces that meet at ten; any term will do.
(set-logic LIA)
(synth-fun price ((count Int)) Int)
(declare-var count Int)
(constraint (=> (<= 0 count) (=> (<= count 10) (= (price count) (* 3 count)))))
(constraint (=> (<= 0 count) (=> (< 10 count) (= (- (price count) count) 20))))
(check-synth)
