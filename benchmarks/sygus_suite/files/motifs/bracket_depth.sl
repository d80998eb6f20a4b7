; The depth after a token: 1 opens, 2 closes, anything else is text.
(set-logic LIA)
(synth-fun step ((depth Int) (token Int)) Int
  ((Number Int) (Flag Bool))
  ((Number Int (depth token 1 2 (+ Number Number) (- Number Number) (ite Flag Number Number)))
   (Flag Bool ((= Number Number) (<= Number Number) (< Number Number) (not Flag) (and Flag Flag)))))
(declare-var depth Int)
(declare-var token Int)
(constraint (=> (= token 1) (= (step depth token) (+ depth 1))))
(constraint (=> (= token 2) (= (step depth token) (- depth 1))))
(constraint (=> (and (not (= token 1)) (not (= token 2))) (= (step depth token) depth)))
(check-synth)
