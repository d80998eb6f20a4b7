; Slashes in a row: two begin a comment (2), which a new line ends; anything else forgets the first.
(set-logic LIA)
(synth-fun step ((state Int) (slash Bool) (newline Bool)) Int
  ((Number Int) (Flag Bool))
  ((Number Int (state 0 1 2 (+ Number Number) (- Number Number) (ite Flag Number Number)))
   (Flag Bool (slash newline (= Number Number) (<= Number Number) (< Number Number) (not Flag) (and Flag Flag)))))
(declare-var state Int)
(declare-var slash Bool)
(declare-var newline Bool)
(constraint (=> (and (and (<= 0 state) (<= state 2)) (not (and slash newline))) (=> newline (= (step state slash newline) 0))))
(constraint (=> (and (and (<= 0 state) (<= state 2)) (not (and slash newline))) (=> (and (not newline) (= state 2)) (= (step state slash newline) 2))))
(constraint (=> (and (and (<= 0 state) (<= state 2)) (not (and slash newline))) (=> (and (not newline) (and (< state 2) slash)) (= (step state slash newline) (+ state 1)))))
(constraint (=> (and (and (<= 0 state) (<= state 2)) (not (and slash newline))) (=> (and (not newline) (and (< state 2) (not slash))) (= (step state slash newline) 0))))
(check-synth)
