; The year of a date that ends with it.
(set-logic SLIA)
(synth-fun f ((text String)) String
  ((Text String) (Number Int))
  ((Text String (text "." (str.++ Text Text) (str.at Text Number) (str.substr Text Number Number) (str.replace Text Text Text) (str.from_int Number)))
   (Number Int (0 4 (+ Number Number) (- Number Number) (str.len Text) (str.indexof Text Text Number) (str.to_int Text)))))
(constraint (= (f "3.7.1998") "1998"))
(constraint (= (f "24.12.2001") "2001"))
(constraint (= (f "11.3.1850") "1850"))
(constraint (= (f "1.1.2000") "2000"))
(constraint (= (f "30.11.1999") "1999"))
(constraint (= (f "9.10.1066") "1066"))
(check-synth)
