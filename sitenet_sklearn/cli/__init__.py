"""The command line: parse, call, write.

`app` has the program, and the commands `predict` and `demo`; `training` has `fit` and `tune`; `analysis` has
`evaluate`, `explain` and `info`. `options` is what they share, `outputs` and `study_files` keep files from being
replaced, `pipelines` makes and writes the model, and `demo` is the demonstration. Add a command as a function, and name
it in `app`. typer is imported by this room alone.
"""
