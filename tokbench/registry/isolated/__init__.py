"""Third-party code in processes of its own: it gets values, and gives arrays and text back.

    parent, or a worker process of --jobs          loads no plugin; checks, stores, scores, writes
      isolated.py   the registry, options          client.py   sends a Job, reads the Answer
      stand_in.py   looks like the component       told.py     what a plugin may say of itself
    server.py       imports tokbench once, forks a process per job, ends it and all it started
      sandbox.py    what that process may write    work.py     loads the plugin, does the job

Only text and plain arrays come back (answers.py), never a pickle.
"""
