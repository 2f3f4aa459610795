"""The page: drop files of crystals into a browser and see what a model says about them.

`uploads` takes apart what is sent, `answers` says what a model predicts for it, `application` answers requests, and
`running` opens the port. The folder `page` holds what the browser shows. starlette and uvicorn are imported here only.
"""
