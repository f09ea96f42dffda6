import Glibc
import Synchronization

/// What the connection's thread and everybody else share: messages to publish, the window, the
/// request to stop, and the status. Everything mutable is behind one lock, which is held for a few
/// instructions at a time.
final class Mailbox: Sendable {
    struct Outgoing {
        let message: MQTTMessage
        let delivery: MQTTDelivery
    }

    /// A stop was asked for, with what is to be published before.
    struct StopRequest {
        let farewell: MQTTMessage?
    }

    fileprivate struct State {
        var outgoing: [Outgoing] = []
        var window: PublishWindow
        var stop: StopRequest?
        var status: MQTTStatus
        var thread: pthread_t?
        var isStarted = false
        /// The thread rests in poll, or is about to, and must be woken. It says so itself.
        var isResting = false
        /// Nobody listens to the thread any more.
        var isAbandoned = false
    }

    /// Raised when the thread has something to do.
    let work = WakeUp()
    /// Raised, for good, when the thread has ended.
    let ended = WakeUp()
    private let state: Mutex<State>

    init(limits: MQTTLimits) {
        let status = MQTTStatus(sinceMicroseconds: SystemTime.microseconds)
        state = Mutex(State(window: PublishWindow(limits: limits), status: status))
    }
}

// MARK: - For everybody

extension Mailbox {
    var status: MQTTStatus {
        state.withLock {
            var status = $0.status
            status.outstanding = $0.window.outstanding
            status.window = $0.window.capacity
            return status
        }
    }

    /// Queues a message without a flaw. Wakes the thread only if it rests: whoever publishes while
    /// it works costs it nothing.
    func publish(_ message: MQTTMessage) -> PublishOutcome {
        let (outcome, mustWake) = state.withLock { state -> (PublishOutcome, Bool) in
            guard state.stop == nil else { return (.notConnected, false) }
            let outcome = state.window.admit(message)
            guard case .sent(let delivery) = outcome else { return (outcome, false) }
            state.outgoing.append(Outgoing(message: message, delivery: delivery))
            return (outcome, state.endRest())
        }
        if mustWake { work.raise() }
        return outcome
    }

    /// - Returns: whether this is the first start, and no stop came before it.
    func requestStart() -> Bool {
        state.withLock {
            guard !$0.isStarted, $0.stop == nil else { return false }
            $0.isStarted = true
            return true
        }
    }

    /// The first request counts. Without a thread, the end is now.
    func requestStop(_ request: StopRequest) {
        let isRunning = state.withLock { state -> Bool in
            if state.stop == nil {
                state.stop = request
                _ = state.endRest()
                if !state.isStarted { state.status.enter(.stopped) }
            }
            return state.isStarted
        }
        (isRunning ? work : ended).raise()
    }

    /// No handler call begins after this, whatever the thread still does.
    func abandon() {
        state.withLock {
            $0.isAbandoned = true
            $0.window.close()
            $0.status.enter(.stopped)
        }
    }

    /// Whether the caller is the connection's thread, in its handler.
    var isOwnThread: Bool {
        state.withLock { $0.thread.map { pthread_equal($0, pthread_self()) != 0 } ?? false }
    }
}

// MARK: - For the connection's thread

extension Mailbox {
    func threadBegan() {
        state.withLock { $0.thread = pthread_self() }
    }

    func threadEnded() {
        state.withLock {
            $0.thread = nil
            $0.status.enter(.stopped)
        }
        ended.raise()
    }

    var isAbandoned: Bool { state.withLock { $0.isAbandoned } }

    var stopRequest: StopRequest? { state.withLock { $0.stop } }

    func update(_ change: (inout MQTTStatus) -> Void) {
        state.withLock { if !$0.isAbandoned { change(&$0.status) } }
    }

    /// Connected: publishing may begin.
    func openWindow(version: MQTTStatus.Version, broker: PublishWindow.BrokerLimits) {
        state.withLock {
            guard !$0.isAbandoned else { return }
            $0.status.connections += 1
            $0.status.attempts = 0
            $0.status.version = version
            $0.status.enter(.connected)
            $0.window.open(connection: $0.status.connections, broker: broker)
        }
    }

    /// The end of a connection or an attempt. What nobody has published yet is forgotten with the
    /// rest.
    func closeWindow(_ failure: MQTTFailure) {
        state.withLock {
            $0.window.close()
            $0.outgoing.removeAll(keepingCapacity: true)
            guard !$0.isAbandoned else { return }
            $0.status.lastFailure = failure
            $0.status.lastFailureMicroseconds = SystemTime.microseconds
        }
    }

    func release(_ count: Int) {
        state.withLock { $0.window.release(count) }
    }

    /// Takes what is to be published, leaving the other, empty list, so that neither is allocated
    /// anew.
    func take(into taken: inout [Outgoing]) -> StopRequest? {
        precondition(taken.isEmpty, "messages taken before would be lost")
        return state.withLock {
            swap(&taken, &$0.outgoing)
            return $0.stop
        }
    }

    /// Waits for the socket, for work, or for the time to pass. Returns at once if work came in
    /// meanwhile.
    /// - Parameters:
    ///   - descriptor: the socket, or −1 for none.
    ///   - ignoresStop: a stop that is known already is not work.
    /// - Returns: poll's findings about the socket; 0 if there are none.
    func rest(
        descriptor: Int32, wantsWrite: Bool, atMost duration: Duration, ignoresStop: Bool
    ) -> Int16 {
        let mayRest = state.withLock {
            guard $0.outgoing.isEmpty, ignoresStop || $0.stop == nil else { return false }
            $0.isResting = true
            return true
        }
        let events = Int16(POLLIN) | (wantsWrite ? Int16(POLLOUT) : 0)
        var found: Int16 = 0
        withUnsafeTemporaryAllocation(of: pollfd.self, capacity: 2) { descriptors in
            descriptors[0] = pollfd(fd: work.descriptor, events: Int16(POLLIN), revents: 0)
            descriptors[1] = pollfd(fd: descriptor, events: events, revents: 0)
            let count = poll(descriptors.baseAddress, 2, mayRest ? duration.pollMilliseconds : 0)
            // Interrupted or out of memory: nothing was found, and the caller's turn goes on.
            guard count > 0 else { return }
            if descriptors[0].revents != 0 { work.lower() }
            found = descriptors[1].revents
        }
        if mayRest { state.withLock { $0.isResting = false } }
        return found
    }
}

extension Mailbox.State {
    /// - Returns: whether the thread was resting, and must be woken by the caller, once.
    fileprivate mutating func endRest() -> Bool {
        defer { isResting = false }
        return isResting
    }
}

extension MQTTStatus {
    mutating func enter(_ phase: Phase) {
        guard self.phase != phase else { return }
        self.phase = phase
        sinceMicroseconds = SystemTime.microseconds
        nextAttemptMicroseconds = nil
    }
}

/// The system's wall clock, for what people read.
enum SystemTime {
    /// Microseconds since 1970-01-01 UTC.
    static var microseconds: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
    }
}
