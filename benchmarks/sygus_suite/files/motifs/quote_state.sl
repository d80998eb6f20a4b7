; Inside which quotes we are after a token: 0 none, 1 single, 2 double; the other kind inside quotes is text.
(set-logic LIA)
(synth-fun step ((state Int) (token Int)) Int
  ((Number Int) (Flag Bool))
  ((Number Int (state token 0 (+ Number Number) (- Number Number) (ite Flag Number Number)))
   (Flag Bool ((= Number Number) (<= Number Number) (< Number Number) (not Flag) (and Flag Flag)))))
(declare-var state Int)
(declare-var token Int)
(constraint (=> (and (and (<= 0 state) (<= state 2)) (and (<= 0 token) (<= token 2))) (=> (= state 0) (= (step state token) token))))
(constraint (=> (and (and (<= 0 state) (<= state 2)) (and (<= 0 token) (<= token 2))) (=> (and (< 0 state) (= token state)) (= (step state token) 0))))
(constraint (=> (and (and (<= 0 state) (<= state 2)) (and (<= 0 token) (<= token 2))) (=> (and (< 0 state) (not (= token state))) (= (step state token) state))))
(check-synth)
