import Glibc
import Histogram

/// How requests follow each other.
enum Pace {
    /// Each connection sends its next request when it has the answer to the one before: the server
    /// sets the pace, and latencies leave out what would have waited.
    case closed
    /// Requests are due at a constant rate, whatever the server does, and each latency counts from
    /// when the request was due: what waits for a free connection is counted (coordinated omission,
    /// Gil Tene).
    case open(perSecond: Double)
}

/// What came of a run.
struct Load {
    var latencies = Histogram<UInt64>.ofLatencies()
    /// Answered as expected within the measured time.
    var answered = 0
    /// Answered as expected in all, warm-up included.
    var answeredEver = 0
    var seconds = 0.0
    /// Processor time that the generator itself took within the measured time.
    var generatorSeconds = 0.0

    var perSecond: Double { Double(answered) / seconds }
}

/// A lean HTTP/1.1 client for many keep-alive connections on one thread.
///
/// It shares the cores with what it measures, so it does next to nothing: the requests are built
/// beforehand and sent in turn, and of an answer it reads the status and the length.
struct LoadGenerator: ~Copyable {
    private let requests: [[UInt8]]
    private let expectedStatus: Int
    private var connections: [LoadConnection] = []
    private let descriptors: [Int32]
    private var waiting = Waiting()
    private var idle: [Int] = []
    private var nextRequest = 0

    /// - Parameter requests: whole requests, sent again and again in their order.
    init(port: UInt16, connections count: Int, requests: [[UInt8]], expecting status: Int) throws {
        self.requests = requests
        expectedStatus = status
        let descriptors = try (0..<count).map { _ in try LoadConnection.connect(port: port) }
        self.descriptors = descriptors
        connections = descriptors.map { LoadConnection(descriptor: $0) }
        idle = Array(descriptors.indices)
        for descriptor in descriptors { waiting.add(descriptor) }
    }

    deinit {
        for descriptor in descriptors { close(descriptor) }
    }

    /// Sends for as long as the plan says, and waits for the last answers.
    mutating func run(_ pace: Pace, _ plan: Plan) throws -> Load {
        var load = Load()
        let start = monotonicNanoseconds()
        let measuredFrom = start + plan.warmUp.nanoseconds
        let end = measuredFrom + plan.measured.nanoseconds
        let interval: Double = if case .open(let rate) = pace { 1e9 / rate } else { 0 }
        var due = Double(start)
        var processorAtStart: Double?
        while true {
            let now = monotonicNanoseconds()
            if now >= measuredFrom, processorAtStart == nil {
                processorAtStart = LoadGenerator.processorSeconds()
            }
            if now < end {
                while !idle.isEmpty, interval == 0 || due <= Double(now) {
                    try send(dueAt: interval == 0 ? now : UInt64(due))
                    due += interval
                }
            } else if idle.count == connections.count {
                break
            }
            let wait = interval > 0 && !idle.isEmpty && now < end ? due - Double(now) : 1e9
            try receive(atMost: wait, measured: measuredFrom..<end, &load)
        }
        load.seconds = Double(end - measuredFrom) / 1e9
        load.generatorSeconds = LoadGenerator.processorSeconds() - (processorAtStart ?? 0)
        return load
    }

    private mutating func send(dueAt due: UInt64) throws {
        guard let index = idle.popLast() else { return }
        connections[index].begin(nextRequest, dueAt: due)
        nextRequest = (nextRequest + 1) % requests.count
        try write(index)
    }

    private mutating func write(_ index: Int) throws {
        let isWritten = try connections[index].write(requests[connections[index].request])
        waiting.writable.set(descriptors[index], to: !isWritten)
    }

    private mutating func receive(
        atMost nanoseconds: Double, measured: Range<UInt64>, _ load: inout Load
    ) throws {
        var timeout = timespec(
            tv_sec: Int(nanoseconds / 1e9), tv_nsec: Int(nanoseconds) % 1_000_000_000)
        var readable = waiting.readable
        var writable = waiting.writable
        // poll(2) counts in milliseconds, which is too coarse for an open loop.
        let count = pselect(
            waiting.end, &readable.bits, &writable.bits, nil, &timeout, nil)
        guard count > 0 else { return }
        let now = monotonicNanoseconds()
        for (index, descriptor) in descriptors.enumerated() {
            if writable.contains(descriptor) { try write(index) }
            guard readable.contains(descriptor),
                try connections[index].read(expecting: expectedStatus)
            else { continue }
            idle.append(index)
            load.answeredEver += 1
            guard measured.contains(now) else { continue }
            load.answered += 1
            load.latencies.record(now - min(now, connections[index].dueAt))
        }
    }

    private static func processorSeconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}

/// Which descriptors are waited for.
private struct Waiting {
    var readable = DescriptorSet()
    var writable = DescriptorSet()
    private(set) var end: Int32 = 0

    mutating func add(_ descriptor: Int32) {
        readable.set(descriptor, to: true)
        end = max(end, descriptor + 1)
    }
}

/// As select(2) has it, for descriptors below 1,024.
private struct DescriptorSet {
    var bits = fd_set()

    func contains(_ descriptor: Int32) -> Bool {
        withUnsafeBytes(of: bits) { $0[Int(descriptor) / 8] >> UInt8(descriptor % 8) & 1 == 1 }
    }

    mutating func set(_ descriptor: Int32, to isIn: Bool) {
        withUnsafeMutableBytes(of: &bits) {
            let bit = UInt8(1) << UInt8(descriptor % 8)
            $0[Int(descriptor) / 8] =
                isIn ? $0[Int(descriptor) / 8] | bit : $0[Int(descriptor) / 8] & ~bit
        }
    }
}
