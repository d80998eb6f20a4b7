; A text without its first two dashes.
(set-logic SLIA)
(synth-fun f ((text String)) String
  ((Text String) (Number Int))
  ((Text String (text "-" "" (str.++ Text Text) (str.at Text Number) (str.substr Text Number Number) (str.replace Text Text Text) (str.from_int Number)))
   (Number Int (0 1 (+ Number Number) (- Number Number) (str.len Text) (str.indexof Text Text Number) (str.to_int Text)))))
(constraint (= (f "12-34-56") "123456"))
(constraint (= (f "a-bc-d-e") "abcd-e"))
(constraint (= (f "555-01-47") "5550147"))
(constraint (= (f "x-y-z") "xyz"))
(constraint (= (f "2024-02-29") "20240229"))
(constraint (= (f "one-two-three-four") "onetwothree-four"))
(check-synth)
