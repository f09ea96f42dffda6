import Foundation
import Synchronization
import TextFormats

#if canImport(FoundationNetworking)
    import FoundationNetworking
#endif

/// One connection to a daemon's event stream.
final class EventStreamConnection: NSObject, URLSessionDataDelegate, Sendable {
    enum Item: Sendable {
        case opened(status: Int)
        case bytes(Data)
        case ended(URLError?)
    }

    /// A stream on which nothing comes for so long is dead: a daemon says something more often.
    private static let patience: TimeInterval = 45
    /// What may wait here. Beyond it the connection is given up, and made anew at the last event
    /// that was shown: so a terminal that is slow, or held, fills no memory.
    private static let bytesMax = 4 << 20

    let items: AsyncStream<Item>
    private let continuation: AsyncStream<Item>.Continuation
    private let waiting = Atomic<Int>(0)

    private override init() {
        (items, continuation) = AsyncStream.makeStream()
        super.init()
    }

    static func open(_ url: URL, lastEventID: String?) -> EventStreamConnection {
        var request = URLRequest(url: url)
        request.timeoutInterval = patience
        request.setValue("text/event-stream", forHTTPHeaderField: "Accept")
        if let lastEventID {
            request.setValue(lastEventID, forHTTPHeaderField: "Last-Event-ID")
        }
        let connection = EventStreamConnection()
        let session = URLSession(
            configuration: .ephemeral, delegate: connection, delegateQueue: nil)
        let task = session.dataTask(with: request)
        connection.continuation.onTermination = { _ in session.invalidateAndCancel() }
        task.resume()
        return connection
    }

    /// The reader is done with so many bytes.
    func took(_ count: Int) {
        waiting.subtract(count, ordering: .relaxed)
    }

    func urlSession(
        _ session: URLSession, dataTask: URLSessionDataTask, didReceive response: URLResponse,
        completionHandler: @escaping (URLSession.ResponseDisposition) -> Void
    ) {
        continuation.yield(.opened(status: (response as? HTTPURLResponse)?.statusCode ?? 0))
        completionHandler(.allow)
    }

    func urlSession(_ session: URLSession, dataTask: URLSessionDataTask, didReceive data: Data) {
        let (_, now) = waiting.add(data.count, ordering: .relaxed)
        continuation.yield(.bytes(data))
        if now > EventStreamConnection.bytesMax { dataTask.cancel() }
    }

    func urlSession(
        _ session: URLSession, task: URLSessionTask, didCompleteWithError error: (any Error)?
    ) {
        continuation.yield(.ended(error as? URLError))
        continuation.finish()
    }
}
