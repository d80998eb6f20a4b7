; What stands behind the at sign of an e-mail address.
(set-logic SLIA)
(synth-fun f ((text String)) String
  ((Text String) (Number Int))
  ((Text String (text "@" "." (str.++ Text Text) (str.at Text Number) (str.substr Text Number Number) (str.replace Text Text Text) (str.from_int Number)))
   (Number Int (0 1 (+ Number Number) (- Number Number) (str.len Text) (str.indexof Text Text Number) (str.to_int Text)))))
(constraint (= (f "mira@lab.example") "lab.example"))
(constraint (= (f "jo.k@uni.example") "uni.example"))
(constraint (= (f "a@b.example") "b.example"))
(constraint (= (f "team@north.example") "north.example"))
(constraint (= (f "q.r.s@t.example") "t.example"))
(constraint (= (f "zoe7@example.net") "example.net"))
(check-synth)
