; The number after one that is written down.
(set-logic SLIA)
(synth-fun f ((text String)) String
  ((Text String) (Number Int))
  ((Text String (text "" (str.++ Text Text) (str.at Text Number) (str.substr Text Number Number) (str.replace Text Text Text) (str.from_int Number)))
   (Number Int (0 1 (+ Number Number) (- Number Number) (str.len Text) (str.indexof Text Text Number) (str.to_int Text)))))
(constraint (= (f "7") "8"))
(constraint (= (f "99") "100"))
(constraint (= (f "1041") "1042"))
(constraint (= (f "0") "1"))
(constraint (= (f "12") "13"))
(constraint (= (f "500") "501"))
(check-synth)
