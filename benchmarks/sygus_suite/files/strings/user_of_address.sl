; What stands before the at sign of an e-mail address.
(set-logic SLIA)
(synth-fun f ((text String)) String
  ((Text String) (Number Int))
  ((Text String (text "@" "." (str.++ Text Text) (str.at Text Number) (str.substr Text Number Number) (str.replace Text Text Text) (str.from_int Number)))
   (Number Int (0 1 (+ Number Number) (- Number Number) (str.len Text) (str.indexof Text Text Number) (str.to_int Text)))))
(constraint (= (f "mira@lab.example") "mira"))
(constraint (= (f "jo.k@uni.example") "jo.k"))
(constraint (= (f "a@b.example") "a"))
(constraint (= (f "x9@q.example") "x9"))
(constraint (= (f "team@north.example") "team"))
(constraint (= (f "q.r.s@t.example") "q.r.s"))
(check-synth)
