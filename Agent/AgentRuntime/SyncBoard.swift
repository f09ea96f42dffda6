import AgentCore
import LedgerCore
import SyncProtocol
import Synchronization

/// How far sync has come, for whoever asks: written by the shipper, read by any thread.
final class SyncBoard: Sendable {
    struct Stream: Sendable {
        let tag: StreamTag
        var head: ChainPoint
        var acknowledged: UInt64
        /// The first event that the log still has.
        var oldestRetained: UInt64
        /// The last event that the aggregator of the current session, or of the last one of this
        /// run, said that it holds: a restored one may hold less than was acknowledged before. 0
        /// until one has said anything.
        var held: UInt64 = 0
        var backlogBytes: UInt64
        var phase: OutboxSession.Phase = .offline
        /// Whether the hub that is followed has all of a former stream, as far as is known.
        var isOffered: Bool
        /// Nil for the one that is written.
        var end: StreamEnd?

        init(_ record: StreamRecord) {
            tag = record.tag
            head = record.head
            acknowledged = record.acknowledged
            oldestRetained = record.keptBehind.sequence + 1
            backlogBytes = record.bytesBehind
            isOffered = record.finishedFor != nil
            end = record.end
        }

        var backlog: UInt64 { head.sequence - min(acknowledged, head.sequence) }

        mutating func append(_ head: ChainPoint, byteCount: Int) {
            self.head = head
            backlogBytes += UInt64(byteCount)
        }
    }

    struct State: Sendable {
        /// In the order in which they were written; the last one is.
        var streams: [Stream]
        var lastAckAt: Timestamp?
        var phase: OutboxSession.Phase = .offline
        /// A hub that answers although this agent has left it.
        var strayHub: StreamTag?
        /// Since when there has been no connection to the broker; nil while there is one.
        var offlineSince: Timestamp?
        /// Since when nothing has flowed although there was something to send.
        var stalledSince: Timestamp?

        /// - Parameter records: at least one, of which the last is written.
        init(_ records: [StreamRecord], offlineSince: Timestamp) {
            precondition(!records.isEmpty, "a folder has a stream")
            streams = records.map(Stream.init)
            self.offlineSince = offlineSince
        }

        var writing: Stream {
            get { streams[streams.count - 1] }
            set { streams[streams.count - 1] = newValue }
        }

        subscript(tag: StreamTag) -> Stream? {
            get { streams.last { $0.tag == tag } }
            set {
                guard let newValue, let index = streams.lastIndex(where: { $0.tag == tag }) else {
                    return
                }
                streams[index] = newValue
            }
        }

        var backlog: UInt64 { streams.reduce(0) { $0 + $1.backlog } }
        var backlogBytes: UInt64 {
            streams.reduce(0) { $0 + ($1.backlog > 0 ? $1.backlogBytes : 0) }
        }

        /// What the outbox knows by now.
        mutating func show(_ outbox: borrowing Outbox) {
            phase = outbox.writing.session.phase
            strayHub = outbox.strayHub
            for stream in outbox.streams {
                guard let index = streams.lastIndex(where: { $0.tag == stream.tag }) else {
                    continue
                }
                streams[index].phase = stream.session.phase
                streams[index].acknowledged = stream.session.released
                streams[index].held = stream.session.held ?? streams[index].held
                streams[index].backlogBytes = stream.backlogBytes
                streams[index].isOffered = stream.isOffered(to: outbox.hub?.tag)
            }
        }

        /// Another stream is written from now on.
        mutating func draw(_ record: StreamRecord, behind end: StreamEnd?) {
            guard writing.tag != record.tag else { return }
            writing.end = end
            streams.append(Stream(record))
        }

        func isMerged(_ place: EventPlace) -> Bool {
            self[place.stream].map { place.sequence <= $0.acknowledged } ?? false
        }
    }

    private let state: Mutex<State>

    init(_ state: State) {
        self.state = Mutex(state)
    }

    var current: State { state.withLock { $0 } }

    func update(_ change: (inout State) -> Void) {
        state.withLock { change(&$0) }
    }
}
