/// What happens to a node, beside messages.
enum NodeEvent {
    case start
    /// - Parameter generation: ticks that were put off since are void.
    case tick(generation: Int)
    /// The thread that writes looks into its mailbox.
    case writerWakes
    /// The thread that ships does.
    case shipperWakes
    case written(isDurable: Bool)
    case attempt
    case connected(epoch: Int)
    case connectionLost(epoch: Int)
    /// No ping was answered for so long.
    case keepAliveEnds(epoch: Int)
    /// The broker has taken a message.
    case delivered(epoch: Int)
    /// A process that stood still goes on.
    case resumes
    case crashes(CrashPoint)
}

/// What kind of end a process takes.
enum CrashPoint {
    case now
    /// In the midst of the next write.
    case duringWrite
    /// The next write is durable, and nobody has heard of it.
    case afterWrite
    /// The next message has left, and nothing else.
    case afterPublish
}

/// A process of an agent or of the aggregator with its device: a shell around the cores, so thin that
/// they decide.
protocol SimulatedNode: AnyObject {
    var device: Device { get set }
    /// The name under which it speaks to the broker.
    var client: Int { get }
    var will: (topic: Topic, bytes: [UInt8])? { get }
    /// Whether a write is under way.
    var isWriting: Bool { get }
    /// Loads what the disk has, and begins to work.
    func start()
    /// The memory is gone, and what was not synced is at the disk's mercy.
    func crash()
    /// Ends as an operator ends it: what waits is written, and it says goodbye.
    func stop()
    func handle(_ event: NodeEvent)
    func received(_ packet: Packet)
}

/// What a process that stands still will see when it goes on.
enum Missed {
    case event(NodeEvent)
    case packet(Packet)
}

/// What every node has, whatever runs on it.
struct Device {
    /// Where it stands among the nodes; the aggregator's is 0.
    let number: Int
    var clock = VirtualClock()
    /// The lives so far: what an earlier one waited for reaches no later one.
    var life = 0
    var isRunning = false
    /// It is, but stands still.
    var isStalled = false
    /// What happened to it meanwhile.
    var missed: [Missed] = []
    var isDiskFull = false
    var transport = Transport()
    var ticker = Ticker()
    var crashPoint: CrashPoint?
    /// It has crashed, and will have done nothing since: what it does until the end of the step never
    /// happened.
    var isDoomed = false

    init(number: Int) {
        self.number = number
    }
}

/// A node's connection as it sees it itself.
struct Transport {
    private static let backoffBase: Int64 = 250_000
    static let backoffMax: Int64 = 15_000_000
    /// How long a connection must last to show that there is no fault.
    static let stableAfter: Int64 = 1_000_000

    var isUp = false
    var epoch = 0
    var outstanding = 0
    var failures = 0
    var connectedAt: Int64 = 0
    /// It will try again when there is a way.
    var isWaiting = false

    var backoff: Int64 {
        min(Transport.backoffMax, Transport.backoffBase << Int64(min(failures, 6)))
    }
}

/// When a node looks at its deadlines: soon after something happened, less and less often while
/// nothing does, so that long pauses cost little.
struct Ticker {
    static let interval: Int64 = 100_000
    /// Of a node that is not connected: nothing waits there but upkeep.
    static let disconnectedMax: Int64 = 3_600_000_000

    var generation = 0
    var pause = Ticker.interval
    var next: Int64 = 0
}
