; The first token that is no blank (0), remembered.
(set-logic LIA)
(synth-fun step ((held Int) (token Int)) Int
  ((Number Int) (Flag Bool))
  ((Number Int (held token 0 (+ Number Number) (- Number Number) (ite Flag Number Number)))
   (Flag Bool ((= Number Number) (<= Number Number) (< Number Number) (not Flag) (and Flag Flag)))))
(declare-var held Int)
(declare-var token Int)
(constraint (=> (= held 0) (= (step held token) token)))
(constraint (=> (or (< held 0) (< 0 held)) (= (step held token) held)))
(check-synth)
