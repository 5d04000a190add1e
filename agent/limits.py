"""Every bound the agent keeps, with the reason beside it. Seconds unless the name says otherwise."""

# --- time of one tick -------------------------------------------------------------------------------------
TICK_BUDGET = 60.0  # promise P4; the platform kills a cancelled cron 10 s after SIGTERM, an update replaces it
REQUEST_DEADLINE = 25.0  # whole request with body; the official CLI gives one read 30
CONNECT_TIMEOUT = 10.0  # a SYN lost three times
PASS_MOST = 100  # decisions in one pass over one run; a whole run takes about 20
LEASE = 120.0  # twice the budget: a lease outlives its tick only if the tick hung

# --- reads that may be repeated ---------------------------------------------------------------------------
READ_ATTEMPTS = 3
BACKOFF_FIRST = 0.5
BACKOFF_MOST = 8.0
RETRY_AFTER_MOST = 15.0  # a longer wish of the server is left to the next tick

# --- what comes from the API ------------------------------------------------------------------------------
BODY_MOST_BYTES = 4 * 1024 * 1024  # a list of 100 activities with logs is well below
PIECE_MOST_BYTES = 64 * 1024  # unpacked at once: a kilobyte of gzip can hold a megabyte
JSON_MARKS_MOST = 100_000  # brackets and commas of one reply; each can cost 200 bytes of memory, a full page has 5,000
JSON_DEPTH_MOST = 40  # real replies nest about 10 deep
LIST_MOST = 1000  # items of one collection that are looked at
PAGE_SIZE = 50  # activities of one page
PAGES_MOST = 4  # pages of one look: 200 activities since an intent
TEXT_MOST = 500  # characters of foreign text kept in messages, journal and logs
ID_MOST = 200  # characters of an id or name from outside
CERTIFICATE_MOST = 64 * 1024  # characters of an SSH certificate
TOKEN_MOST = 16 * 1024  # characters of an access token

# --- job file, state --------------------------------------------------------------------------------------
JOB_FILE_MOST_BYTES = 1024 * 1024  # 1,000 jobs are about 200 kB
KEPT_MOST_BYTES = 8 * 1024 * 1024  # of the same with every default filled in: 1,000 jobs are about 1 MB
DOTS_MOST = 200  # on one line of a job file: tomllib's time grows with the square of a key's parts
MISTAKES_MOST = 50  # shown of one job file
EXPRESSION_MOST = 256  # characters of a cron expression
RECHECK = 86400.0  # an idle answer is never trusted longer: time zone data change, clocks jump
LOOK_BACK = 31 * 86400.0  # the longest grace and a day: slots further back are history
SLOTS_MOST = 50_000  # slots listed at once: more than a slot a minute in the time looked back
CLOCK_BACK = 3600.0  # a clock this far behind the last tick makes an idle answer worthless
HISTORY_AGE = 400 * 86400.0  # runs older than this are forgotten: a year can be compared with the one before
HISTORY_RUNS = 10_000  # and the oldest of more: a month of a job that runs every five minutes, some 30 MB
PRUNED_AT_ONCE = 500  # runs forgotten by one tick: milliseconds
COMMAND_MOST = 45  # seconds of a command: a tick has 60, and the requests before it take some
PAGE_MOST = 30  # seconds of one look at a page, for the same reason
COMMAND_OUTPUT_MOST = 4000  # bytes of what a command printed last that are kept: the journal holds it
VARIABLE_MOST_BYTES = 1024 * 1024  # of one base64 PLATFORM_* variable
