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
BODY_MOST_BYTES = 4 * 1024 * 1024  # of an answer without its longest texts: ten large pushes are below 1 MiB
RAW_MOST_BYTES = 64 * 1024 * 1024  # of an answer with them: logs of ten activities; they are emptied as they arrive
STRING_MOST_BYTES = 128 * 1024  # of one text of an answer: a certificate has 64 KiB; only logs are longer
PIECE_MOST_BYTES = 64 * 1024  # unpacked at once: a kilobyte of gzip can hold a megabyte
PIECES_MOST = 100_000  # chunks of one answer, 30 us each: a log that is sent line by line has some 10,000
MEMBERS_MOST = 100  # of one gzip answer: a server that joins files has a few
JSON_MARKS_MOST = (
    100_000  # brackets and commas of one reply, 200 bytes of memory each: a large push has 2,500 to 10,000
)
JSON_DEPTH_MOST = 40  # real replies nest about 10 deep
LIST_MOST = 1000  # items of one collection that are looked at
PAGE_SIZE = 10  # activities of one page: each can carry a whole deployment and a log
PAGE_LARGEST = 100  # as many as the API gives at once, for a page whose items all have the same date
PAGES_MOST = 30  # requests of one look, those that ask again for fewer among them
ACTIVITIES_MOST = 200  # activities of one look: far more than there are since an intent
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
CLOCK_LEAP = 36 * 3600.0  # between two ticks; more, and a tick that cannot ask for the time judges nothing
SLOTS_OLD = 50_000  # slots beyond LOOK_BACK that are looked at one by one: a second of CPU; more are only counted
COMING_DAYS = 100  # looked ahead for slots that fulfil the job's conditions, where there are many
COMING_MOST = 1000  # slots looked at, where there are few
SUSPENSIONS_KEPT = 50  # times in which a job was paused or suspended: more are years ago
HISTORY_AGE = 400 * 86400.0  # runs older than this are forgotten: a year can be compared with the one before
HISTORY_RUNS = 10_000  # and the oldest of more: a month of a job that runs every five minutes, some 30 MB
PRUNED_AT_ONCE = 500  # runs forgotten by one tick: milliseconds
COMMAND_MOST = 45  # seconds of a command: a tick has 60, and the requests before it take some
PAGE_MOST = 30  # seconds of one look at a page, for the same reason
COMMAND_OUTPUT_MOST = 4000  # bytes of what a command printed last that are kept: the journal holds it
ASIDE_KEPT = 5  # journals of each kind that were set aside and are kept, whatever their age
ASIDE_AGE = 30 * 86400.0  # younger ones are all kept: somebody may still want to look into them
COMMAND_TAIL_MOST = 256 * 1024  # bytes of it that are searched for secrets before it is cut to that
STATEMENT_BUDGET = 20.0  # seconds of what one call asks of a journal's file: milliseconds, or 2 s on a slow mount
STATEMENT_TEXT_MOST = 64 * 1024 * 1024  # bytes of one row in it: the snapshot of a large job is 1 MB
MOVE_BUDGET = 3600.0  # a whole journal from one place to another: 10,000 runs take a minute
MOVED_AT_ONCE = 200  # runs copied in one transaction: some megabytes
DATABASE_CONNECT = 5.0  # a service in the same private network answers in milliseconds; and a tick may try twice
DATABASE_STATEMENT = 10.0  # one statement: all of them take milliseconds, a lock is held by a takeover at most
DATABASE_BUDGET = 55.0  # a connection, from its opening: what is left of TICK_BUDGET lets the tick end in order
DATABASE_GONE = 60.0  # after which the server gives up on a client that vanished without a word
DATABASE_ANSWER = 16 * 1024 * 1024  # bytes of one answer: all events of a long run, or 10,000 journals, are a quarter
DATABASE_STEPS = 50_000  # reads of one answer: where bytes cannot be counted, each of them is a packet or more
DATABASE_PACKETS = 500_000  # of one answer of MariaDB, a row each: the events of 10,000 runs
DATABASE_MEMORY = 256 * 1024 * 1024  # bytes by which this process may grow for one answer: a command end of 6 takes 500
DATABASE_CPU = 4.0  # seconds of this process for one answer: libpq looks through all settings for each that comes
IDLE_DATABASE = 10.0  # an idle tick's connection and its one statement together
VARIABLE_MOST_BYTES = 1024 * 1024  # of one base64 PLATFORM_* variable

# --- files of a checkout that `init` reads and changes ------------------------------------------------------
CONFIG_MOST_BYTES = 512 * 1024  # of one file: the largest configurations are a tenth of it; reading takes a second
CONFIG_LINES_MOST = 20_000  # of one file: comparing two versions takes a second where lines are much alike
CONFIG_ALL_MOST_BYTES = 2 * 1024 * 1024  # of all of them together
RELEASE_MOST_BYTES = 32 * 1024 * 1024  # of one file of a release: the archive has about 2.5 MB
CONFIG_FILES_MOST = 100  # *.yaml files in .upsun/
YAML_DEPTH_MOST = 60  # a configuration nests about ten deep
YAML_NODES_MOST = 20_000  # keys and values of one file: a large configuration has a thousand
GIT_PATIENCE = 10.0  # seconds for a question to git
GIT_FETCH_PATIENCE = 120.0  # of a fetch into a submodule: the whole repository takes seconds
GIT_FILE_MOST = 32 * 1024 * 1024  # bytes of packed-refs: 32 MiB are some 400,000 branches and tags
# --- lock files ---------------------------------------------------------------------------------------------
LOCK_FILE_MOST_BYTES = 8 * 1024 * 1024  # of one file: the lock file of a large application has 1 to 3 MB
LOCK_LINE_MOST = 256 * 1024  # characters of one line; a minified JSON file is not read by lines
LOCK_BLOCK_MOST = 512 * 1024  # characters of one TOML table: a package with 200 archives has 30,000
LOCK_KEYS_MOST = 200_000  # colons of a JSON file, up to 200 bytes of memory each: 5 MB of npm have 110,000
MANIFEST_MOST_BYTES = 256 * 1024  # of a composer.json, pyproject.toml and such: a large one is a tenth of it
LOCKED_MOST = 30_000  # packages of one file, 250 bytes each: a large application locks 3,000
LOCKED_TEXT_MOST = 300  # characters of a name or a version: npm allows names of 214
LOCK_FILES_MOST = 16  # of one directory or commit that are compared
LOCK_DEPTH_MOST = 4  # directories below the one that is searched for lock files
LOCK_ENTRIES_MOST = 20_000  # names that are looked at in that search: a checkout has a few thousand
LOCK_FOLDERS_MOST = 60  # pairs of directories of two commits that are read: two requests each, and few differ
PATH_PART_MOST = 255  # characters of one name in a directory: what Linux allows
PATH_MOST = 500  # characters of the path of a lock file
CHANGES_BUDGET = 20.0  # for reading what one commit changed: a third of a tick; a later tick reads on
CHANGES_RESERVE = 15.0  # left of the tick's budget for what the run does next
# --- telling -----------------------------------------------------------------------------------------------
NOTICE_DEADLINE = 5.0  # of one message: a receiver that takes longer gets it at a later tick
NOTICES_BUDGET = 15.0  # of all messages of one tick: a quarter of it, so that telling never starves what is told of
NOTICES_RESERVE = 5.0  # left of the tick's budget for its end: nothing is told in the last seconds
OUTBOX_MOST = 200  # messages that wait: four jobs that fail hourly for two days; older ones are given up
NOTICE_ATTEMPTS = 12  # with the pauses below: about two days
NOTICE_AGE = 3 * 86400.0  # older news helps nobody
NOTICE_PAUSE_FIRST = 240.0  # less than a tick's interval: the next tick tries again
NOTICE_PAUSE_MOST = 6 * 3600.0
NOTICE_BODY_MOST = 10_000  # characters: what healthchecks keeps of a ping's body
TAIL_LINES = 30  # lines of a run's story in a message
URL_MOST = 2000  # characters of a URL from a variable

# --- logs --------------------------------------------------------------------------------------------------
LOG_FILE_MOST_BYTES = 5 * 1024 * 1024  # then it is renamed: a month of a job that runs every five minutes
LOG_FILES_KEPT = 3  # renamed ones: 20 MB in all, of a mount that often has 512
LOG_LINE_MOST = 16 * 1024  # bytes of a line: two processes append whole lines, and none fills the disk alone
ACTIVITY_LOG_MOST_BYTES = 1024 * 1024  # of one activity's log: thousands of lines
ACTIVITY_LOG_DEADLINE = 15.0  # of one activity's log; one that still runs keeps the answer open
ACTIVITY_LOG_DELAY = 2  # seconds that the platform is asked to wait for more lines
FOREIGN_MOST = 256 * 1024  # characters of one foreign text that are looked at; what is shown of it is far less
SECRET_FORM_MOST = 24 * 1024  # characters that a stream holds back: a private key of 16,384 bits, escaped
# --- reports ----------------------------------------------------------------------------------------------
REPORT_DAYS = 30  # a page shows, unless told otherwise: a month fits on a screen
REPORT_DAYS_MOST = 400  # history is not kept longer
REPORT_FLEET = 1000  # environments on the page of a fleet: a megabyte; what is in trouble comes first
REPORT_JOBS = 40  # jobs with a calendar on a page: more is not read on one page
REPORT_RUNS = 20  # runs told event by event on a page, some 10 kB each
REPORT_EVENTS = 200  # of one run on a page; a whole run has about 20
REPORT_BARS = 90  # runs in one chart: three months of nights, and bars that can be told apart on a phone
CHANGES_LISTED = 10_000  # lines of `changes`: all that the journal keeps
REPORT_PACKAGES = 100  # packages of one commit in the tables of a page; `changes` lists them all
REPORT_MISSED = 200  # batches of missed slots that are looked into: more in the days shown is a broken cron
REPORT_COMING = 12  # coming slots on a page
PUBLISH_BUDGET = 5.0  # of a tick, for the published page and metrics: they take 0.3 s, the rest is a slow mount
OTLP_TIMEOUT_MOST = 60.0  # whatever OTEL_EXPORTER_OTLP_TIMEOUT says: a command must end
