; A phone number of seven digits, written with a dash.
(set-logic SLIA)
(synth-fun f ((text String)) String
  ((Text String) (Number Int))
  ((Text String (text "-" (str.++ Text Text) (str.at Text Number) (str.substr Text Number Number) (str.replace Text Text Text) (str.from_int Number)))
   (Number Int (0 3 4 (+ Number Number) (- Number Number) (str.len Text) (str.indexof Text Text Number) (str.to_int Text)))))
(constraint (= (f "5550147") "555-0147"))
(constraint (= (f "5550199") "555-0199"))
(constraint (= (f "8005550") "800-5550"))
(constraint (= (f "2120108") "212-0108"))
(constraint (= (f "9995550") "999-5550"))
(constraint (= (f "1002003") "100-2003"))
(check-synth)
