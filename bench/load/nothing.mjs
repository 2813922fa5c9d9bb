// What a program costs that loads nothing: bench/load.mjs.
