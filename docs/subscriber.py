"""Prints the rows of a stream: subscriber.py ipc://runtime/bus/harvest.pub harvest/BTCUSDT"""
import sys

import msgpack
import zmq

socket = zmq.Context().socket(zmq.SUB)
socket.connect(sys.argv[1])
socket.subscribe(sys.argv[2])
while True:
    topic, data = socket.recv_multipart()
    version, run, producer, first, publish_ns, rows = msgpack.unpackb(data)[:6]
    for offset, (kind, *fields) in enumerate(rows):
        print(topic.decode(), first + offset, kind, *fields, flush=True)
