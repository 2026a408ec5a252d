state = {'steps': 0, 'best': 0.0, 'last': None}
def reward_function(params):
    state['steps'] += 1
    if state['last'] is not None and params['progress'] > state['last']:
        state['best'] = max(state['best'], params['progress'] - state['last'])
    state['last'] = params['progress']
    return state['best'] + state['steps'] * 1e-4
