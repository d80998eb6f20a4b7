; The area code of a phone number in brackets.
(set-logic SLIA)
(synth-fun f ((text String)) String
  ((Text String) (Number Int))
  ((Text String (text "(" ")" (str.++ Text Text) (str.at Text Number) (str.substr Text Number Number) (str.replace Text Text Text) (str.from_int Number)))
   (Number Int (0 1 (+ Number Number) (- Number Number) (str.len Text) (str.indexof Text Text Number) (str.to_int Text)))))
(constraint (= (f "(212) 555-0108") "212"))
(constraint (= (f "(0711) 5550") "0711"))
(constraint (= (f "(31) 555 01") "31"))
(constraint (= (f "(5) 5") "5"))
(constraint (= (f "(907) 1") "907"))
(constraint (= (f "(12345) 67") "12345"))
(check-synth)
