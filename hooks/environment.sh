# Put the agent on the PATH of crons and SSH sessions. In the app's .environment file:
#
#     . "$PLATFORM_APP_DIR/.upsun-agent/environment.sh"
#
# Sourced by dash; it must print nothing, or rsync and mount transfers break.
if [ -d "${PLATFORM_APP_DIR:-/app}/.upsun-agent/bin" ]; then
    case ":$PATH:" in
        *:"${PLATFORM_APP_DIR:-/app}/.upsun-agent/bin":*) ;;
        *) export PATH="${PLATFORM_APP_DIR:-/app}/.upsun-agent/bin:$PATH" ;;
    esac
fi
