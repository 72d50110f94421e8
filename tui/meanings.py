"""What each figure means, in a sentence: for whoever asks what is under the cursor."""

from typing import Final

RUNNING: Final = "requests that the worker is running at this moment"
WAITING: Final = "requests that wait in the worker's queue at this moment"
TOKENS_PER_S: Final = "output tokens that the worker made in the window, a second"
GAP: Final = "time between two consecutive deliveries of one request; read it beside the tokens per delivery"
TPOT: Final = "(last delivery − first delivery) ÷ (output tokens − 1) of each request: the first token is not in it"
TTFT: Final = "from a request's arrival to its first delivery with content"
QUEUE: Final = "from a request's arrival to its admission by the scheduler"
TOKENS_PER_DELIVERY: Final = "mean number of tokens in one delivery"
LONGEST_STALL: Final = (
    "the longest gap above 5 × the median of its request's earlier gaps (of which at least 8), and 2 ms"
)
POWER: Final = "electric power of the devices that the worker alone runs on"
FLEET_RATE: Final = "output tokens a second, summed over the workers of which it is known now"
JITTER: Final = "p99 − p50 of the worker's gaps, with what both bounds leave open"
USED: Final = "what the tier holds, whether or not a running request refers to it"
ACTIVE: Final = "what running requests refer to: not occupancy, idle cached blocks are not in it"
CAPACITY: Final = "what the tier can hold"
HIT_TOKENS: Final = "prompt tokens that were found in the tier in the window, and so not computed"
HIT_RATE: Final = "found ÷ looked for"
STORED: Final = "blocks that came to be in the tier, a second"
EVICTED: Final = "blocks that were removed from the tier one by one, a second"
STALL_GAP: Final = "the gap that is a stall"
STALL_MEDIAN: Final = "the median of the request's gaps before it"
