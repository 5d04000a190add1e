"""What a run does next, decided without I/O: values in, values out.

Nothing here reads a clock, a file, the network or the environment, and nothing of the agent is imported but this
package itself and ``records`` (import-linter holds that). Everything that is decided can therefore be tested
exhaustively.
"""
