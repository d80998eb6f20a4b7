; A date of year, month and day as day and month.
(set-logic SLIA)
(synth-fun f ((text String)) String
  ((Text String) (Number Int))
  ((Text String (text "/" "-" (str.++ Text Text) (str.at Text Number) (str.substr Text Number Number) (str.replace Text Text Text) (str.from_int Number)))
   (Number Int (2 5 8 (+ Number Number) (- Number Number) (str.len Text) (str.indexof Text Text Number) (str.to_int Text)))))
(constraint (= (f "1998-07-03") "03/07"))
(constraint (= (f "2001-12-24") "24/12"))
(constraint (= (f "1850-11-30") "30/11"))
(constraint (= (f "2024-02-29") "29/02"))
(constraint (= (f "1066-10-14") "14/10"))
(constraint (= (f "1999-01-31") "31/01"))
(check-synth)
