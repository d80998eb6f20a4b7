; Whether a line of a log tells of an error.
(set-logic SLIA)
(synth-fun f ((text String)) String
  ((Text String) (Number Int) (Test Bool))
  ((Text String (text "error" "bad" "good" (str.++ Text Text) (str.at Text Number) (str.substr Text Number Number) (str.replace Text Text Text) (str.from_int Number) (ite Test Text Text)))
   (Number Int (0 (+ Number Number) (- Number Number) (str.len Text) (str.indexof Text Text Number) (str.to_int Text)))
   (Test Bool ((= Number Number) (str.contains Text Text) (str.prefixof Text Text)))))
(constraint (= (f "error: no such file") "bad"))
(constraint (= (f "done") "good"))
(constraint (= (f "2 errors in x") "bad"))
(constraint (= (f "warning") "good"))
(constraint (= (f "all well") "good"))
(constraint (= (f "fatal error") "bad"))
(check-synth)
