; Whether at least two of three flags hold.
(set-logic LIA)
(synth-fun vote ((a Bool) (b Bool) (c Bool)) Bool
  ((Flag Bool))
  ((Flag Bool (a b c (not Flag) (and Flag Flag) (or Flag Flag)))))
(declare-var a Bool)
(declare-var b Bool)
(declare-var c Bool)
(constraint (= (vote a b c) (<= 2 (+ (+ (ite a 1 0) (ite b 1 0)) (ite c 1 0)))))
(check-synth)
