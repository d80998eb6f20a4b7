; How many characters stand before the first comma.
(set-logic SLIA)
(synth-fun f ((text String)) Int
  ((Number Int) (Text String))
  ((Number Int (0 1 (+ Number Number) (- Number Number) (str.len Text) (str.indexof Text Text Number) (str.to_int Text)))
   (Text String (text "," " " (str.++ Text Text) (str.at Text Number) (str.substr Text Number Number) (str.replace Text Text Text) (str.from_int Number)))))
(constraint (= (f "a,b,c") 1))
(constraint (= (f "one, two") 3))
(constraint (= (f ",x") 0))
(constraint (= (f "seventeen, 17") 9))
(constraint (= (f "ab,") 2))
(constraint (= (f "Li, Wen, Jo") 2))
(check-synth)
