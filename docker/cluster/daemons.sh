# Sourced by docker/cluster.sh: the processes of a cluster, each known by its number and by when it began. Its command line would not
# do: while the kernel replaces one program by the next it is empty, for as long as a cold disk takes.

launch() { # launch DAEMON COMMAND...: on its own, whatever becomes of the terminal
    daemon=$1
    shift
    setsid "$@" >>"$RUN/log/$daemon.log" 2>&1 </dev/null 9>&- &
    echo "$! $(began $!)" >"$RUN/$daemon.pid"
}

pid_of() { cut -d' ' -f1 "$RUN/$1.pid"; }

began() { # began PID: in ticks since the machine started; nothing for a process that has ended, a zombie included
    sed -n 's/.*) //; /^Z/!p' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20
}

living() { [ -n "$(began "$1")" ]; }

runs() { # runs DAEMON: the very process that was started here, not another one with its number
    [ -s "$RUN/$1.pid" ] && read -r pid since <"$RUN/$1.pid" || return 1
    # A cluster of an older version of this script wrote down the number alone.
    [ -n "$since" ] || { living "$pid" && grep -qF "$RUN" "/proc/$pid/cmdline" 2>/dev/null; return; }
    [ "$(began "$pid")" = "$since" ]
}

wait_for() { # wait_for WHAT SECONDS COMMAND...
    what=$1 deadline=$(($(date +%s) + $2))
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ "$(date +%s)" -lt "$deadline" ] || return 1
        for daemon in $DAEMONS; do
            if [ -e "$RUN/$daemon.pid" ] && ! runs "$daemon"; then
                what="$daemon, which has ended: $(tail -n 1 "$RUN/log/$daemon.log" | cut -c1-300)"
                return 1
            fi
        done
        sleep 0.1
    done
}

must() { # must WHAT SECONDS COMMAND...
    wait_for "$@" || fail "it did not come up: waited for $what; see $RUN/log"
}

end_daemon() { # end_daemon NAME: asked first, unless it does not listen
    if runs "$1"; then
        pid=$(pid_of "$1")
        kill -CONT "$pid" 2>/dev/null || true
        kill -TERM "$pid" 2>/dev/null || true
        gone_within 50 "$pid" || kill -KILL "$pid" 2>/dev/null || true
        gone_within 50 "$pid" || fail "$1 (pid $pid) cannot be ended"
    fi
    rm -f "$RUN/$1.pid"
}

gone_within() { # gone_within TENTHS PID
    tenths=$1
    while living "$2"; do
        [ "$tenths" -gt 0 ] || return 1
        tenths=$((tenths - 1))
        sleep 0.1
    done
}
