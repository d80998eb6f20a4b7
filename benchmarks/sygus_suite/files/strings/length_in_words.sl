; A text and how long it is.
(set-logic SLIA)
(synth-fun f ((text String)) String
  ((Text String) (Number Int))
  ((Text String (text ": " (str.++ Text Text) (str.at Text Number) (str.substr Text Number Number) (str.replace Text Text Text) (str.from_int Number)))
   (Number Int (0 1 (+ Number Number) (- Number Number) (str.len Text) (str.indexof Text Text Number) (str.to_int Text)))))
(constraint (= (f "abc") "abc: 3"))
(constraint (= (f "") ": 0"))
(constraint (= (f "a longer one") "a longer one: 12"))
(constraint (= (f "tea") "tea: 3"))
(constraint (= (f "seventeen") "seventeen: 9"))
(constraint (= (f "a b") "a b: 3"))
(check-synth)
