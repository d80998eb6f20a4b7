; Whether the next token is escaped: after a backslash (1) that is not escaped itself.
(set-logic LIA)
(synth-fun step ((escaped Bool) (token Int)) Bool
  ((Flag Bool) (Number Int))
  ((Flag Bool (escaped (= Number Number) (<= Number Number) (< Number Number) (not Flag) (and Flag Flag)))
   (Number Int (token 0 1 (+ Number Number) (- Number Number) (ite Flag Number Number)))))
(declare-var escaped Bool)
(declare-var token Int)
(constraint (=> escaped (not (step escaped token))))
(constraint (=> (and (not escaped) (= token 1)) (step escaped token)))
(constraint (=> (not (= token 1)) (not (step escaped token))))
(check-synth)
