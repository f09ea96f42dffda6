import HTTPTypes
import Hummingbird
import NIOCore
import ServiceLifecycle
import Synchronization
import TextFormats

/// What the readers of an event stream may hold of a daemon.
package struct EventStreamLimits: Sendable, Hashable {
    /// Readers at once: each is a connection, a task and a page of events.
    package var readersMax = 64
    /// Events of one page, from which on it ends as soon as the store's own parts allow: what is read,
    /// and written, at once.
    package var pageEventsMax = 500
    /// A connection over which nothing went for so long gets a comment, so that both sides, and
    /// whatever is between them, know that it stands.
    package var heartbeat: Duration = .seconds(15)
    /// How long a reader that loses its connection is asked to wait, in milliseconds.
    package var retryMilliseconds = 2000

    package init() {}
}

/// What one reader is told, from a place that it remembers.
package protocol EventPages: Sendable {
    /// Appends a page of what is new. Only when a reader has taken a page is the next one asked for:
    /// who is slow falls behind, and holds nothing but its place.
    ///
    /// - Returns: whether more is there already.
    mutating func next(into events: inout EventStreamWriter) async throws -> Bool
}

/// The readers of one daemon's event stream.
package final class EventStreamReaders: Sendable {
    private let count = Atomic<Int>(0)
    package let limits: EventStreamLimits

    package init(limits: EventStreamLimits = EventStreamLimits()) {
        self.limits = limits
    }

    /// A reader's place among the others, given back when nobody holds it.
    final class Place: Sendable {
        private let readers: EventStreamReaders

        fileprivate init(_ readers: EventStreamReaders) {
            self.readers = readers
        }

        deinit { readers.count.subtract(1, ordering: .relaxed) }
    }

    /// - Throws: `Problem` where there are too many.
    func enter() throws(Problem) -> Place {
        let (before, _) = count.add(1, ordering: .relaxed)
        let place = Place(self)
        guard before < limits.readersMax else {
            throw Problem(
                .unavailable,
                "\(limits.readersMax) readers of events are connected, and more are not served",
                retryAfter: 5,
                members: [Problem.Member("limit", .integer(Int64(limits.readersMax)))])
        }
        return place
    }

    /// An answer that goes on until its reader leaves, or the daemon stops.
    ///
    /// - Parameters:
    ///   - changes: says that there may be something new.
    ///   - pages: what is new.
    package func response(
        to request: Request, changes: AsyncStream<Void>, pages: some EventPages
    ) throws(Problem) -> Response {
        let place = try enter()
        let limits = limits
        return Response(
            status: .ok,
            headers: [.contentType: "text/event-stream", .cacheControl: "no-store"],
            body: ResponseBody { writer in
                defer { withExtendedLifetime(place) {} }
                let session = EventStreamSession(limits: limits, changes: changes)
                let body = request.body
                try await body.consumeWithInboundCloseHandler { _ in
                    try await withGracefulShutdownHandler {
                        try await session.run(pages, &writer)
                    } onGracefulShutdown: {
                        session.end()
                    }
                } onInboundClosed: {
                    session.end()
                }
                try await writer.finish(nil)
            })
    }
}

/// One reader's connection.
private final class EventStreamSession: Sendable {
    private enum Wake: Sendable {
        case changed
        case heartbeat
    }

    private let limits: EventStreamLimits
    private let changes: AsyncStream<Void>
    /// Holds one wake-up at most: whoever is woken looks for all that is new.
    private let wakes: AsyncStream<Wake>
    private let waker: AsyncStream<Wake>.Continuation
    private let ended = Atomic<Bool>(false)

    init(limits: EventStreamLimits, changes: AsyncStream<Void>) {
        self.limits = limits
        self.changes = changes
        (wakes, waker) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    func end() {
        ended.store(true, ordering: .relaxed)
        waker.finish()
    }

    func run(_ pages: some EventPages, _ writer: inout any ResponseBodyWriter) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { [changes, waker] in
                for await _ in changes { waker.yield(.changed) }
                waker.finish()
            }
            group.addTask { [limits, waker] in
                while !Task.isCancelled {
                    // Cancelled when the reader is gone: that is no error.
                    try? await Task.sleep(for: limits.heartbeat)
                    waker.yield(.heartbeat)
                }
            }
            defer { group.cancelAll() }
            try await serve(pages, &writer)
        }
    }

    private func serve(
        _ pages: some EventPages, _ writer: inout any ResponseBodyWriter
    ) async throws {
        var pages = pages
        var events = EventStreamWriter()
        events.retry(milliseconds: limits.retryMilliseconds)
        var wakes = wakes.makeAsyncIterator()
        var wake: Wake? = .changed
        while let reason = wake {
            var hasMore = true
            while hasMore, !isOver {
                hasMore = try await pages.next(into: &events)
                if events.isEmpty, reason == .heartbeat { events.comment("still here") }
                guard !events.isEmpty else { continue }
                try await writer.write(ByteBuffer(bytes: events.bytes))
                events.removeAll()
            }
            wake = await wakes.next()
        }
    }

    /// Whether the reader is gone or the daemon stops, although there is more to tell.
    private var isOver: Bool { ended.load(ordering: .relaxed) }
}
