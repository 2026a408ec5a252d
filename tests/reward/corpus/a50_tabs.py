def reward_function(params):
	speed = params["speed"]
	if params["all_wheels_on_track"]:
		reward = speed * 0.5
		if abs(params["steering_angle"]) > 20:
			reward *= 0.5
	else:
		reward = 0.001
	return reward
